"""`workers doctor`: asks every service and this machine side by side, changes nothing, and says what is right and what is not."""
