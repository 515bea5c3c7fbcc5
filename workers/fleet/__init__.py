"""The fleet on one host, under supervisord: what it does, what is wrong with it, and how it is restarted."""
