"""Supply of images and charts: what both regions need, and its copies in each region's own registry."""
