package nomad

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// plainName is what may be part of a job's ID as it is. A job's ID is also the path of the Nomad
// Variables that it may read, which allows no '.'; "--" keeps the parts apart.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$`)

// longestName keeps nomad/jobs/<JobID>/worker/worker within the 128 bytes of a Variable's path.
const longestName = 40

// JobID is the ID of the Nomad job for a definition of an app: prefix--app--pool. Names that
// Nomad does not allow in the path of a Variable, and long ones, are shortened and get a hash.
// prefix is that of Config, "" for the default.
func JobID(prefix, app, pool string) string {
	setDefault(&prefix, DefaultPrefix)
	return prefix + "--" + part(app) + "--" + part(pool)
}

var illegal = regexp.MustCompile(`[^A-Za-z0-9_]+`)

func part(name string) string {
	if plainName.MatchString(name) && len(name) <= longestName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	plain := strings.Trim(illegal.ReplaceAllString(name, "_"), "_")
	const digits = 10
	plain = plain[:min(len(plain), longestName-digits-1)]
	if plain == "" {
		plain = "x"
	}
	return plain + "-" + hex.EncodeToString(sum[:])[:digits]
}

// dispatchMark is what Nomad puts between the IDs of a parameterized job and its children.
const dispatchMark = "/dispatch-"

var plainSlot = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// slotKey is a slot's part in the ID of the Nomad job that is dispatched for it.
func slotKey(slot string) string {
	if plainSlot.MatchString(slot) {
		return slot
	}
	sum := sha256.Sum256([]byte(slot))
	return "h" + hex.EncodeToString(sum[:])[:32]
}

// childPrefix is the begin of the ID of the job that is dispatched for a slot. By it a worker is
// recognized before, or without, the answer to its dispatch.
func childPrefix(job, slot string) string { return job + dispatchMark + slotKey(slot) }

// prefixOf is the childPrefix of a dispatched job's ID: Nomad appends the time and 8 random
// digits. "" if the ID is none.
func prefixOf(child string) string {
	for range 2 {
		i := strings.LastIndexByte(child, '-')
		if i < 0 {
			return ""
		}
		child = child[:i]
	}
	if !strings.Contains(child, dispatchMark) {
		return ""
	}
	return child
}
