package nomad

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/multinode/mn/provisioner"
)

// Config says where a Nomad cluster is and how it runs workers. Program is required.
type Config struct {
	// Address, Region, Namespace and Token name the cluster and the right to use it. Default:
	// NOMAD_ADDR (or http://127.0.0.1:4646), NOMAD_REGION, NOMAD_NAMESPACE and NOMAD_TOKEN.
	Address   string
	Region    string
	Namespace string
	Token     string
	// TLS default: NOMAD_CACERT, NOMAD_CAPATH, NOMAD_CLIENT_CERT, NOMAD_CLIENT_KEY,
	// NOMAD_TLS_SERVER_NAME and NOMAD_SKIP_VERIFY.
	TLS *api.TLSConfig

	// Prefix begins the names of all Nomad jobs, see JobID. Default "mn". Apps of one name on
	// different backends need different ones.
	Prefix string
	// Program is what a worker executes: Docker, Exec or RawExec.
	Program Program
	// Args are the program's arguments. It must make the same app with them as the process
	// that launches it. Default: none.
	Args []string
	// Env are further environment variables, not MN_WORKER. Nomad replaces ${…} in them. Whoever may read
	// jobs sees Args and Env: for secrets there is Secrets.
	Env map[string]string
	// Secrets are environment variables whose values come from Nomad Variables.
	Secrets []Secret

	// Placement says what nodes workers run on. Pools overrides it for single definitions:
	// fields that are set there replace those of Placement. Deploy warns of names that are no
	// definition's.
	Placement Placement
	Pools     map[string]Placement
	// CoreMHz is how much of Nomad's "cpu" is one core of mn.CPU. Default 2000.
	CoreMHz int
	// KillTimeout is how long a worker may take to end after SIGTERM. Default 30 s, which is the
	// most that a Nomad client allows unless its max_kill_timeout is raised. It has nothing to
	// do with the grace of a cancelled task, which mn gives and ends itself.
	KillTimeout time.Duration
	// Edit may change a generated job before it is registered. It must give the same result
	// in every process, or they will register their own in turn. The job's ID, its
	// parameters and the variable MN_WORKER are set again afterwards.
	Edit func(pool string, job *api.Job)

	// DispatchRate is how many workers a process dispatches in a second, and at once.
	// Default 20.
	DispatchRate int
	// MaxUnplaced is how many workers of one definition a process has dispatched that Nomad
	// has found no node for yet; more wait here. Default 32.
	MaxUnplaced int
	// PlacementTimeout is how long Nomad may look for a node before the worker is withdrawn
	// and the reason shown to the user. Where nodes are created on demand it must be longer
	// than that takes, and mn.Timing.Start longer still. Default 30 s.
	PlacementTimeout time.Duration
	// StartTimeout is how long a placed worker may take until it runs: its image is
	// pulled meanwhile, its secrets read. Default 4 minutes, less than mn.Timing.Start.
	StartTimeout time.Duration
	// StopOnClose also stops the workers that this process has launched when its app is shut
	// down. Default: they go on, and end when they are idle for their cooldown.
	StopOnClose bool
	// Logger default: slog.Default().
	Logger *slog.Logger

	transport http.RoundTripper // of tests: instead of the network
}

// Placement says what nodes a definition's workers run on, and what they get beside the
// CPU and Memory of the definition.
type Placement struct {
	Datacenters []string // default: any
	NodePool    string   // default: Nomad's "default"
	Constraints []*api.Constraint
	// Devices are for example one GPU: {Name: "nvidia/gpu"}.
	Devices []*api.RequestedDevice
	// Cores reserves whole cores for the worker alone where mn.CPU is a whole number.
	Cores bool
	// MemoryMax is up to how many bytes a worker may use where its node has memory to
	// spare. It needs memory oversubscription in Nomad's scheduler configuration. Default:
	// not more than mn.Memory.
	MemoryMax int64
}

// Secret is one environment variable of workers whose value Nomad reads from a
// Variable on the worker's node. It is in no job specification. A worker starts only when
// the Variable exists.
type Secret struct {
	Env string // name of the environment variable
	// Path of the Nomad Variable. All jobs of the namespace may read nomad/jobs without further
	// rights; nomad/jobs/<JobID> only that job, and Secrets are those of all definitions.
	Path string
	Key  string // of the item in it
}

// Defaults of Config.
const (
	DefaultPrefix           = "mn"
	DefaultCoreMHz          = 2000
	DefaultKillTimeout      = 30 * time.Second
	DefaultDispatchRate     = 20
	DefaultMaxUnplaced      = 32
	DefaultPlacementTimeout = 30 * time.Second
	DefaultStartTimeout     = 4 * time.Minute
)

// String writes the configuration without its secrets.
func (c Config) String() string {
	token := ""
	if c.Token != "" {
		token = redacted
	}
	return fmt.Sprintf("nomad.Config{Address: %q, Region: %q, Namespace: %q, Token: %q, Prefix: %q, Program: %v}",
		withoutPassword(c.Address), c.Region, c.Namespace, token, c.Prefix, c.Program)
}

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for loggers that know how to write structs.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) setDefaults() {
	setDefault(&c.Prefix, DefaultPrefix)
	setDefault(&c.CoreMHz, DefaultCoreMHz)
	setDefault(&c.KillTimeout, DefaultKillTimeout)
	setDefault(&c.DispatchRate, DefaultDispatchRate)
	setDefault(&c.MaxUnplaced, DefaultMaxUnplaced)
	setDefault(&c.PlacementTimeout, DefaultPlacementTimeout)
	setDefault(&c.StartTimeout, DefaultStartTimeout)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

var (
	legalVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	legalPath     = regexp.MustCompile(`^[A-Za-z0-9_~/-]{1,128}$`) // as Nomad has it
)

// check reports everything that is wrong.
func (c *Config) check() error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf("Config."+format, args...)) }
	if !plainName.MatchString(c.Prefix) {
		add("Prefix %q: use letters, digits, '_' and single '-'", c.Prefix)
	}
	if c.Namespace == "*" {
		add("Namespace %q: name one", c.Namespace)
	}
	if c.Program == nil {
		add("Program is missing: use nomad.Docker{Image: …}, nomad.Exec{…} or nomad.RawExec{…}")
	} else if err := c.Program.check(); err != nil {
		add("Program: %w", err)
	}
	c.checkVisible(add)
	c.checkEnv(add)
	for i, s := range c.Secrets {
		if !legalVariable.MatchString(s.Env) || !legalVariable.MatchString(s.Key) || !legalPath.MatchString(s.Path) {
			add("Secrets[%d]: Env and Key need letters, digits and '_', Path letters, digits, '_', '-', '~' and '/': %+v", i, s)
		}
	}
	if min(c.CoreMHz, c.DispatchRate, c.MaxUnplaced) < 0 || min(c.KillTimeout, c.PlacementTimeout, c.StartTimeout) < 0 {
		add("CoreMHz, DispatchRate, MaxUnplaced and all times must not be negative")
	}
	c.checkMemory(add)
	return errors.Join(faults...)
}

// checkEnv refuses names of variables that Nomad would change, or that are mn's own.
func (c *Config) checkEnv(add func(string, ...any)) {
	const own = "is mn's own, which tells a worker what to serve: choose another name"
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		switch {
		case !legalVariable.MatchString(name):
			add("Env[%q]: use letters, digits and '_' for the name, no digit first", name)
		case name == provisioner.WorkerVariable:
			add("Env[%q] %s", name, own)
		}
	}
	for i, s := range c.Secrets {
		if s.Env == provisioner.WorkerVariable {
			add("Secrets[%d]: Env %q %s", i, s.Env, own)
		}
	}
}

// checkMemory refuses limits below 0, which would be taken for none.
func (c *Config) checkMemory(add func(string, ...any)) {
	const remedy = "must not be negative: use bytes, such as 4 << 30, or 0 for no more than mn.Memory"
	if c.Placement.MemoryMax < 0 {
		add("Placement.MemoryMax %d %s", c.Placement.MemoryMax, remedy)
	}
	for _, pool := range slices.Sorted(maps.Keys(c.Pools)) {
		if n := c.Pools[pool].MemoryMax; n < 0 {
			add("Pools[%q].MemoryMax %d %s", pool, n, remedy)
		}
	}
}

// checkVisible refuses passwords in what everybody with read-job sees.
func (c *Config) checkVisible(add func(string, ...any)) {
	const remedy = "holds a password, which everybody who may read jobs would see: put it into a Nomad Variable and name that in Config.Secrets"
	for i, arg := range c.Args {
		if hasPassword(arg) {
			add("Args[%d] %s", i, remedy)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if hasPassword(c.Env[name]) {
			add("Env[%q] %s", name, remedy)
		}
	}
}

// placement is what applies to a pool. It shares no memory with the configuration, as
// Config.Edit may change it.
func (c *Config) placement(pool string) Placement {
	p, o := c.Placement, c.Pools[pool]
	if o.Datacenters != nil {
		p.Datacenters = o.Datacenters
	}
	if o.NodePool != "" {
		p.NodePool = o.NodePool
	}
	if o.Constraints != nil {
		p.Constraints = o.Constraints
	}
	if o.Devices != nil {
		p.Devices = o.Devices
	}
	if o.MemoryMax != 0 {
		p.MemoryMax = o.MemoryMax
	}
	p.Cores = p.Cores || o.Cores
	p.Datacenters = clone(p.Datacenters)
	p.Constraints = clone(p.Constraints)
	p.Devices = clone(p.Devices)
	return p
}

// client makes the connection to the cluster. It does no I/O but to read certificates.
func (c *Config) client() (*api.Client, error) {
	ac := api.DefaultConfig()
	for _, f := range []struct {
		to   *string
		from string
	}{{&ac.Address, c.Address}, {&ac.Region, c.Region}, {&ac.Namespace, c.Namespace}, {&ac.SecretID, c.Token}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	if c.TLS != nil {
		ac.TLSConfig = c.TLS
	}
	u, err := url.Parse(ac.Address)
	if err != nil || (u.Host == "" && u.Scheme != "unix") {
		return nil, fmt.Errorf("address %q: use a URL such as https://nomad.example:4646 (Config.Address or NOMAD_ADDR)",
			withoutPassword(ac.Address))
	}
	if c.transport != nil {
		ac.HttpClient = &http.Client{Transport: c.transport}
	}
	c.Address, c.Token = ac.Address, ac.SecretID
	c.Region, c.Namespace = ac.Region, ac.Namespace
	client, err := api.NewClient(ac)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w (Config.TLS or NOMAD_CACERT, NOMAD_CLIENT_CERT, NOMAD_CLIENT_KEY)", err)
	}
	return client, nil
}
