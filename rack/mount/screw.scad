// Holes for screws, along z.
include <parameters.scad>

// For a countersunk M3 screw whose head is flush with z = 0, with so much room for its head below that.
module sunk_hole(depth, below) {
  head = sink_m3 / 2;
  shank = hole_m3 / 2;
  rotate_extrude()
    polygon([[0, -below], [head, -below], [head, 0], [shank, head - shank], [shank, depth], [0, depth]]);
}
