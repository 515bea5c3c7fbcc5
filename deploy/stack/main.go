// Command ferretdb is the embedded FerretDB of the stack: MongoDB's protocol on
// the loopback interface, one SQLite file per database in one folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// The exit codes are those of sysexits.h, as everywhere in the project.
const (
	exitUsage       = 64
	exitUnavailable = 69
)

func main() {
	port := flag.Int("port", 27017, "port to listen on, on 127.0.0.1")
	data := flag.String("data", "", "folder of the SQLite files, made if missing")
	flag.Parse()

	if *data == "" || flag.NArg() > 0 || *port < 1 || *port > 65535 {
		fail(exitUsage, errors.New("usage: ferretdb -port 1..65535 -data FOLDER"))
	}

	if err := run(*port, *data); err != nil {
		fail(exitUnavailable, err)
	}
}

func run(port int, data string) error {
	folder, err := filepath.Abs(data)
	if err != nil {
		return err
	}

	if err = os.MkdirAll(folder, 0o700); err != nil {
		return err
	}

	address := fmt.Sprintf("127.0.0.1:%d", port)

	// It listens from here on: a port in use is an error of New, not of Run.
	// Its warnings repeat every refused command with the documents in it.
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: address},
		Logger:    slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: (&url.URL{Scheme: "file", Path: folder + "/"}).String(),
	})
	if err != nil {
		return err
	}

	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	fmt.Printf("FerretDB listens on %s, its data is in %s\n", address, folder)

	if err = db.Run(stopping); err != nil {
		return err
	}

	if stopping.Err() == nil {
		return errors.New("stopped serving without being asked to")
	}

	fmt.Println("FerretDB stopped")

	return nil
}

func fail(code int, err error) {
	fmt.Fprintln(os.Stderr, "ferretdb:", err)
	os.Exit(code)
}
