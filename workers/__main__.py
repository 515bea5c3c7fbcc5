from workers.cli.entry import main

main()
