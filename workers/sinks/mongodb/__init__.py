"""MongoDB as a sink. The only package that imports pymongo and bson."""
