"""The process `workers audit`: verifies what the fleet stores while it runs, all the time and at a low cost."""
