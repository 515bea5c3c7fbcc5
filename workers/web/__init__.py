"""The page of the fleet, served by `workers lag`."""
