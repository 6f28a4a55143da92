# Workers need no right but to read their secrets. Those in the Nomad Variable nomad/jobs all jobs of
# the namespace may read anyway. To keep them from the other jobs, put them at a path of mn's own
# and attach this to each of its jobs (a policy belongs to one job, so each has its own name):
#
#   for job in next-moves preprocess suggest-move; do
#     nomad acl policy apply -namespace default -job "mn--chess--$job" "mn-worker-$job" worker.policy.hcl
#   done
#
# Give mn a namespace of its own, and write its name here instead of "default".
namespace "default" {
  variables {
    path "mn/chess" {
      capabilities = ["read"]
    }
  }
}
