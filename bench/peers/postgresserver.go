package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// pgSettings are for speed on a small machine. The cluster lives as long as this program.
var pgSettings = []string{
	"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
	"shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=30min",
	"wal_level=minimal", "max_wal_senders=0", "jit=off",
}

// pgFast is added without -durable: a commit then costs no more than with a Redis that
// keeps all in memory.
var pgFast = []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off"}

// startPostgres makes a cluster in a temporary folder and starts it. PostgreSQL refuses
// to run as root, so root lets it run as the user that Debian's package made for it.
func (s *servers) startPostgres(ctx context.Context) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	as, name, err := postgresUser()
	if err != nil {
		return err
	}
	dir, err := folder(as)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username="+name, data) //nolint:gosec // paths of this program
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	return s.runPostgres(ctx, filepath.Join(bin, "postgres"), dir, data, name, as)
}

func (s *servers) runPostgres(ctx context.Context, binary, dir, data, name string, as *syscall.Credential) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	args := []string{binary, "-D", data, "-p", port}
	settings := pgSettings
	if !s.durable {
		settings = append(slices.Clone(settings), pgFast...)
	}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	p, err := startProcess(dir, "QUIT", as, args...)
	if err != nil {
		return err
	}
	s.pgURL = "postgres://" + name + "@127.0.0.1:" + port + "/"
	if err := untilReady(ctx, p, s.askPostgres); err != nil {
		return err
	}
	s.running[postgresServer] = p
	return nil
}

func (s *servers) askPostgres(ctx context.Context) (err error) {
	c, err := pgx.Connect(ctx, s.pgURL+"postgres")
	if err != nil {
		return err
	}
	s.versions[postgresServer] = c.PgConn().ParameterStatus("server_version")
	return c.Close(ctx)
}

// pgGlob is where Debian keeps PostgreSQL's programs, which is not in PATH.
var pgGlob = "/usr/lib/postgresql/*/bin/initdb"

// postgresBin finds the folder of PostgreSQL's programs.
func postgresBin() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(found), nil
	}
	found, err := filepath.Glob(pgGlob)
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("PostgreSQL %w postgresql", errMissing)
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return pgMajor(a) - pgMajor(b) })
	return filepath.Dir(newest), nil
}

// pgMajor reads the version from a path of Debian's.
func pgMajor(initdb string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	if err != nil {
		return 0
	}
	return n
}

// postgresUser returns whom to run PostgreSQL as, nil for this program's user, and the name.
func postgresUser() (*syscall.Credential, string, error) {
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return nil, "", err
		}
		return nil, u.Username, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, "", fmt.Errorf("PostgreSQL does not run as root, and there is no other user for it: %w", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, u.Username, errors.Join(err1, err2)
}
