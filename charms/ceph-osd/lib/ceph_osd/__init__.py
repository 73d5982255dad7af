"""What the OSD charm is made of: slots on disk, and what is on a device."""
