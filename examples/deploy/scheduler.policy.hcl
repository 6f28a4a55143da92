# Who launches workers: -role schedule, or any app with Nomad as its provisioner. The scheduler's
# own Nomad job needs no token, if the policy is attached to it:
#
#   nomad acl policy apply -namespace default -job chess-scheduler mn-scheduler scheduler.policy.hcl
#
# Give mn a namespace of its own, and write its name here instead of "default".
namespace "default" {
  capabilities = ["dispatch-job", "read-job", "read-logs", "alloc-lifecycle", "deregister-job"]
}
