"""The watchdog, supervisord's event listener: records what happens, and kills workers that hang."""
