// How segments and ears are joined: a tongue along the depth aligns them, four M3 screws hold them.
// Profiles are seen from the front: x to the right, y up from the panel's lower edge.
use <screw.scad>
include <parameters.scad>

// The tongue of a right wall, whose outer side is x = 0.
module tongue_profile() joint_profile(0);

// What the tongue needs of a left wall, whose outer side is x = 0.
module groove_profile() joint_profile(tongue_play);

module joint_profile(wider) {
  middle = panel_height / 2;
  foot = 2.2 + wider;
  tip = 0.8 + wider;
  reach = tongue + wider;
  polygon([[-0.01, middle - foot], [reach, middle - tip], [reach, middle + tip], [-0.01, middle + foot]]);
}

// Where screws go, as [height, depth]: clear of guides, and behind the blocks where a hex key has room.
joint_screws = [
  for (depth = [block_depth + 12, frame_depth - 14])
    for (height = [floor_thickness + plate + play + sink_m3, panel_height - floor_thickness - 6])
      [height, depth]
];

// Holes in a right wall from x = -joint_wall to 0, for screws whose heads are sunk into its inner side. A bay's wall
// may be thicker than the joint's, by grip.
module head_holes()
  at_joint_screws(-joint_wall) sunk_hole(joint_wall + 4, grip + 1);

// Holes in a left wall from x = 0 to joint_wall, with pockets for nuts in its inner side.
module nut_holes()
  at_joint_screws(0) {
    translate([0, 0, -3]) cylinder(d = hole_m3, h = joint_wall + 2);
    translate([0, 0, joint_wall - nut_depth])
      rotate(30) cylinder(d = nut_m3 / cos(30), h = nut_depth + grip + 1, $fn = 6);
  }

module at_joint_screws(x)
  for (screw = joint_screws)
    translate([x, screw[0], screw[1]]) rotate([0, 90, 0]) children();
