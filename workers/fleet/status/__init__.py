"""The status of the fleet at one moment: collected from every source, with everything that is wrong."""
