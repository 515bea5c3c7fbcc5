import gc

# Imports make a hundred thousand objects that stay; looking among them for garbage is a tenth of a worker's start.
gc.set_threshold(50_000)

from workers.cli.entry import main  # noqa: E402

main()
