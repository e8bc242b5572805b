// Trays: a plate that slides into a bay, and a face in front of the frame. Printed as they lie: nothing overhangs.
// x goes across, y back from the front of the frame, z up from the plate's lower side.
use <label.scad>
use <screw.scad>
include <parameters.scad>

// A tray of parameters.scad is a list of [name, value]:
//   depth      the plate's end
//   case       whether lips hold a case, or standoffs a board
//   board      [corner, size] of the board or the case
//   standoffs  middles
//   ssd_holes  middles of the screws that hold a disk, from below
//   openings   [corner, size] of the holes in the face, as [x, z]
//   ties       where a cable tie goes through the plate
function field(tray, name) = tray[search([name], tray)[0]][1];

module tray(kind) {
  tray = trays[kind];
  difference() {
    union() {
      plate(field(tray, "depth")) plate_holes(tray);
      face() openings_profile(field(tray, "openings"));
      standoffs(field(tray, "standoffs"));
      if (field(tray, "case")) lips(field(tray, "board"));
    }
    standoff_holes(field(tray, "standoffs"));
    ssd_holes(field(tray, "ssd_holes"));
    label_channel();
  }
  gusset();
}

// Closes an empty bay, so that air goes through the others.
module blank() {
  plate(blank_depth);
  face();
  gusset();
}

// The children are holes in it, seen from above.
module plate(depth)
  linear_extrude(plate, convexity = 10) difference() {
    translate([0, -face / 2]) square([tray_width, depth + face / 2]);
    children();
  }

// The children are holes in it, seen from the front.
module face()
  rotate([90, 0, 0]) linear_extrude(face, convexity = 10) difference() {
    translate([-overlap - play, 0]) square([tray_width + 2 * (overlap + play), face_height]);
    for (screw = screws) translate(screw) circle(d = hole_m3);
    children();
  }

module openings_profile(openings)
  for (opening = openings) translate(opening[0]) square(opening[1]);

// What is cut out of the plate: less to print, and air from below.
module plate_holes(tray) {
  board = field(tray, "board");
  difference() {
    window(board[0] + [10, 14], board[1] - [20, 28]);
    for (at = field(tray, "standoffs")) translate(at) circle(d = 2 * standoff_diameter);
  }
  holes = field(tray, "ssd_holes");
  if (len(holes) > 0) window(holes[0] + [9, -4], holes[3] - holes[0] - [18, -8]);
  for (at = field(tray, "ties")) tie(at);
}

module window(at, size)
  translate(at + [4, 4]) offset(r = 4) square(size - [8, 8]);

// Two slots for one cable tie.
module tie(at)
  for (side = [-1, 1]) translate(at + [side * 3 - 1, -1.75]) square([2, 3.5]);

module standoffs(places)
  for (at = places) translate(at) cylinder(d = standoff_diameter, h = plate + standoff);

module standoff_holes(places)
  for (at = places)
    translate([at[0], at[1], plate + standoff - insert_depth]) cylinder(d = insert_m2_5, h = insert_depth + 1);

// For the screws of a disk, from below.
module ssd_holes(places)
  for (at = places) translate(at) sunk_hole(plate + 1, 1);

// Hold a case at its sides, and at the corners of its back.
module lips(board) {
  size = board[1];
  translate(board[0])
    linear_extrude(plate + lip) {
      for (x = [-margin - wall, size[0] + margin]) translate([x, 10]) square([wall, size[1] - 10]);
      for (x = [-margin - wall, size[0] + margin + wall - 12])
        translate([x, size[1] + margin]) square([12, wall]);
    }
}

// Keeps the face upright, beside the guide.
module gusset()
  translate([grip + 0.5 + guide, 0, 0]) rotate([0, -90, 0]) linear_extrude(guide)
    polygon([[0, -face / 2], [plate + 14, -face / 2], [plate + 14, 0], [plate, 14], [0, 14]]);
