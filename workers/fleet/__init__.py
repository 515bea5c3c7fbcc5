"""The fleet on one host, under supervisord: its status, its watchdog and its rolling restart."""
