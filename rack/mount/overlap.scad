// What two parts have in common where they are placed; nothing, if they do not collide.
a_file = "";
b_file = "";
a_place = [];
b_place = [];

intersection() {
  multmatrix(a_place) import(a_file, convexity = 10);
  multmatrix(b_place) import(b_file, convexity = 10);
}
