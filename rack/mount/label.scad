// A node's name on a strip that slides into the face of its tray.
include <parameters.scad>

// The channel in a face, whose front is y = -face, open at the far edge of the face.
module label_channel()
  translate([label_x, -face, face_height - above_label - label_base / 2])
    rotate([90, 0, 90]) linear_extrude(label_length + 1)
      label_profile(label_play);

// The label as it is printed, with its text up.
module label(name)
  {
    translate([0, 0, label_depth]) rotate([0, 90, 0]) linear_extrude(label_length) label_profile(0);
    translate([label_length / 2, -label_front / 2 + 1.25, label_depth - 0.2])
      linear_extrude(raised + 0.2)
        text(name, size = label_text_height(name), font = "DejaVu Sans Mono", halign = "center", valign = "baseline");
  }

// Height of the capitals: smaller for a long name.
function label_text_height(name) = min(label_text, label_length / (len(name) * label_advance));

// Seen along the strip: x back from the front of the face, y up, from its middle. It is wider at its base.
module label_profile(wider) {
  base = label_base / 2;
  front = label_front / 2;
  polygon([
    [-wider, -front - wider], [label_depth + wider, -base - wider],
    [label_depth + wider, base + wider], [-wider, front + wider],
  ]);
}
