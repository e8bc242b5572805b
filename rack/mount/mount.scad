// One part as it is printed: openscad -D 'part="segment"' -D bays_of_part=4 -o segment.stl mount.scad
// `rack mount` does that for every part.
use <frame.scad>
use <label.scad>
use <tray.scad>
include <parameters.scad>

part = "tray";      // segment, ear-left, ear-right, tray, blank, label
bays_of_part = 1;   // of a segment
kind = 0;           // of a tray: its index in trays
name = "";          // on a label
fineness = 48;      // pieces of a circle

$fn = fineness;

if (part == "segment") front_down() segment(bays_of_part);
if (part == "ear-left") front_down() ear(true);
if (part == "ear-right") ear(false);
if (part == "tray") tray(kind);
if (part == "blank") blank();
if (part == "label") label(name);

// Profiles are drawn as the front is seen, which is now on the bed.
module front_down() mirror([1, 0, 0]) children();
