"""Policy rules. They check the properties of resources that the engine reports, whichever program creates them."""
