// What a 19-inch rack needs of a panel. Its measures are in parameters.scad.
include <parameters.scad>

// The slots for the rack's screws in one ear, seen from the front, with the panel's lower edge at y = 0 and the
// holes' middle at x = 0.
module rack_slots() {
  for (y = hole_heights)
    translate([0, y])
      hull()
        for (side = [-1, 1])
          translate([side * (rack_slot[0] - rack_slot[1]) / 2, 0]) circle(d = rack_slot[1]);
}
