# Who registers the workers' jobs: -role deploy, or app.Deploy.
#
#   nomad acl policy apply mn-deployer deployer.policy.hcl
#
# Give mn a namespace of its own, and write its name here instead of "default".
namespace "default" {
  capabilities = ["submit-job", "read-job"]
}
