package settings

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestKeysAreReadInHexadecimalAndBase64(t *testing.T) {
	keys, err := ParseKeys("new=" + strings.Repeat("0f", 32) + ", old=AAAAAAAAAAAAAAAAAAAAAA==")
	require.NoError(t, err)
	require.Equal(t, "new", keys.Current)
	require.Len(t, keys.Keys["new"], 32)
	require.Len(t, keys.Keys["old"], 16)
	for _, bad := range []string{"", "x", "=abc", "a=zz", "a=" + strings.Repeat("0f", 15)} {
		_, err := ParseKeys(bad)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "0f0f", "an error must not tell a key")
	}
}

func TestPasswordsAreAddedAndHidden(t *testing.T) {
	getenv := func(name string) string {
		return map[string]string{"MN_CONFIG": "", "MN_REDIS": "rediss://u@h:1/2", "MN_REDIS_PASSWORD": "p w"}[name]
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	s, err := Find(Flags{}, getenv)
	require.NoError(t, err)
	require.Equal(t, "rediss://u:p%20w@h:1/2", s.Redis)
	require.Equal(t, "rediss://u:xxxxx@h:1/2", Redacted(s.Redis))
}
