package redis

import (
	"encoding/base64"
	"regexp"
)

// All keys of a namespace begin with its prefix, "mn:{name}:". The braces make the name
// the hash tag, so that a cluster keeps them in one slot: a step may touch a task, its
// queue, its locks, a quota and a session, and is atomic only there.
//
//	t:<id>     hash: a task, see lua/lib/task.lua
//	y:<id>     sorted set: a job's kept yields by number
//	at:<id>    list: a job's attempts after which it was tried again
//	j1:<id>    list: entries of a job's log stream;  j2:<id> those of its call stream
//	j:<id>     hash: the numbers of their newest entries and their sizes, see lua/append.lua
//	z:<lease>  string, for a minute: how the attempt of a task ended whose record is gone
//	x:<s>:<p>  sorted set: IDs of the jobs of pool p in status s, for lists
//	pools      set: names of pools;  p:<p> hash: a pool's spec;  st:<p> hash: its statistics
//	q:<p>      sorted set: pending tasks in order, nested ones below zero
//	dl:<p>     sorted set: tasks that wait for a retry, by time
//	idle:<p>   sorted set: workers that wait, by time;  lent:<p> likewise for nested tasks
//	run:<p>    hash: leased tasks → slots
//	lease      sorted set: leased tasks by the time at which they are lost
//	slots      hash: worker slots;  sl:<p> sorted set: a pool's slots, by start limit while starting
//	ses        sorted set: sessions by the time at which they are lost;  sx hash: their settings;  sn hash: their labels
//	sv:<p>     set: sessions that execute a pool;  la:<p> those that launch it
//	lk         hash: lock key → holder;  lkx sorted set: lock keys in order
//	meta       hash: the schema's version, hardware in use and the quota;  ep, seq counters: leases, queue
//
// Messages to a process go to the channel s:<session>.
func keyPrefix(prefix, namespace string) string {
	return prefix + ":{" + encodeName(namespace) + "}:"
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// encodeName makes any name safe inside a hash tag. Encoded names begin with '=', which
// no plain name does.
func encodeName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return "=" + base64.RawURLEncoding.EncodeToString([]byte(name))
}
