// The frame: segments with bays, and the ears. All of it is a profile along the depth, printed front down, so that
// nothing overhangs. Profiles are seen from the front: x to the right, y up from the panel's lower edge.
use <eia310.scad>
use <join.scad>
include <parameters.scad>

// The width of a segment with so many bays, without its tongue.
function segment_width(count) =
  2 * joint_wall + count * pitch - (standing ? 0 : pitch - bay_width);

// A segment, its left edge at x = 0, its front at z = 0.
module segment(count) {
  width = segment_width(count);
  difference() {
    union() {
      linear_extrude(frame_depth, convexity = 10) segment_profile(count, width);
      linear_extrude(block_depth, convexity = 4) each_bay(count) blocks_profile();
    }
    nut_holes();
    translate([width, 0]) head_holes();
    each_bay(count) insert_holes();
  }
}

module segment_profile(count, width) {
  difference() {
    square([width, panel_height]);
    each_bay(count) bay_profile();
    groove_profile();
  }
  translate([width, 0]) tongue_profile();
}

// A bay's own profile has x across the tray and y up from the plate; standing, it is turned so that x goes down.
module each_bay(count)
  for (bay = [0 : count - 1])
    translate([joint_wall + bay * pitch, floor_thickness])
      if (standing) translate([guide, bay_width]) rotate(-90) children();
      else children();

// A slot for the plate and, narrower, the room above it. Standing bays are one room: a little larger where they
// meet, so that nothing is left between them.
module bay_profile() {
  square([bay_width, plate + play]);
  below = standing ? guide + 0.001 : 0;
  translate([grip, -below]) square([bay_width - 2 * grip, bay_height + below + 0.001]);
}

// What the face is screwed to.
module blocks_profile()
  for (screw = screws) translate([block_x(screw), screw[1] - block / 2]) square(block);

module insert_holes()
  for (screw = screws)
    translate([screw[0] + play, screw[1], -1]) cylinder(d = insert_m3, h = insert_depth + 1);

// From the wall of the bay that is next to the screw.
function block_x(screw) = screw[0] < bay_width / 2 ? 0 : bay_width - block;

// An ear, the body's edge at x = 0 and the panel's at x = -ear_width, its front at z = 0: the left one, whose joint is
// a segment's right wall, or the right one, mirrored, whose joint is a left wall.
module ear(left) {
  difference() {
    union() {
      linear_extrude(ear) ear_profile();
      linear_extrude(frame_depth) translate([-joint_wall, 0]) square([joint_wall, panel_height]);
      if (left) linear_extrude(frame_depth) tongue_profile();
      gussets();
    }
    translate([0, 0, -1]) linear_extrude(frame_depth + 2) if (!left) mirror([1, 0]) groove_profile();
    if (left) head_holes();
    else mirror([1, 0, 0]) nut_holes();
  }
}

module ear_profile()
  difference() {
    translate([-ear_width, 0]) square([ear_width, panel_height]);
    translate([-ear_width + (panel_width - hole_to_hole) / 2, 0]) rack_slots();
  }

// Between ear and joint wall, as far as the rails of the rack leave room.
module gussets() {
  reach = opening / 2 - rail_gap - body_width / 2 - joint_wall;
  if (reach > 2)
    for (y = [floor_thickness, panel_height])
      translate([-joint_wall, y, 0]) rotate([90, 0, 0]) linear_extrude(floor_thickness)
        polygon([[0.01, 0], [-reach, 0], [-reach, ear], [0.01, frame_depth / 2]]);
}
