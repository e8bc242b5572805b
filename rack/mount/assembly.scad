// The whole mount, to look at in OpenSCAD: open this file in the folder that `rack mount` made. x goes to the right
// from the middle, y back from the front of the frame, z up from the panel's lower edge.
use <frame.scad>
use <label.scad>
use <tray.scad>
include <parameters.scad>

apart = 0; // millimetres between parts

$fn = 24;

for (index = [0 : len(segments) - 1])
  upright(segments[index][0] + spread(index)) segment(segments[index][1]);
upright(-body_width / 2 + spread(-1)) ear(true);
upright(body_width / 2 + spread(len(segments))) mirror([1, 0, 0]) ear(false);

for (index = [0 : len(bays) - 1]) {
  bay = bays[index];
  translate([bay[0] + spread(segment_of(index)), -2 * apart, floor_thickness]) in_bay()
    if (bay[1] < 0) blank();
    else {
      tray(bay[1]);
      translate([label_x + label_play, -face + label_depth - apart, face_height - above_label - label_base / 2])
        rotate([90, 0, 0]) label(bay[2]);
    }
}

// A segment is moved apart from the middle with all its bays.
function spread(index) = (index - (len(segments) - 1) / 2) * apart;

function segment_of(bay, segment = 0) =
  bay < segments[segment][1] ? segment : segment_of(bay - segments[segment][1], segment + 1);

// From a frame's profile along the depth.
module upright(x)
  translate([x, 0, 0]) multmatrix([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]) children();

module in_bay()
  if (standing) translate([guide + play / 2, 0, bay_width - play]) rotate([0, 90, 0]) children();
  else translate([play, 0, play / 2]) children();
