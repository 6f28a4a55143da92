# The scheduler of the chess example: it launches workers for clients with -workers none, which then
# need no token. Two may run; they do not interfere.
#
#   nomad job run -var image=registry.example/chess@sha256:… scheduler.nomad.hcl
#   nomad job run -var command=/usr/local/bin/chess scheduler.nomad.hcl        # a cluster on one machine

variable "image" {
  type        = string
  default     = ""
  description = "The Docker image of the program."
}

variable "command" {
  type        = string
  default     = ""
  description = "The program's path on all nodes, instead of an image."
}

variable "args" {
  type        = list(string)
  default     = []
  description = "Further arguments, as [\"-cooldown\", \"30s\"]. Those of -role deploy must be the same."
}

variable "secrets" {
  type        = string
  default     = "nomad/jobs"
  description = "The path of the Nomad Variable with redis_url; with another one see worker.policy.hcl."
}

variable "namespace" {
  type    = string
  default = "default"
}

job "chess-scheduler" {
  namespace = var.namespace
  type      = "service"

  group "scheduler" {
    count = 1

    restart {
      attempts = 10
      interval = "5m"
      delay    = "2s"
      mode     = "delay"
    }

    task "scheduler" {
      driver = var.image == "" ? "raw_exec" : "docker"

      dynamic "config" {
        for_each = var.image == "" ? [] : [var.image]
        content {
          image = config.value
          args  = concat(["-redis", "env:REDIS_URL", "-workers", "nomad", "-role", "schedule", "-secrets", var.secrets, "-image", var.image], var.args)
        }
      }

      dynamic "config" {
        for_each = var.image == "" ? [var.command] : []
        content {
          command = config.value
          args    = concat(["-redis", "env:REDIS_URL", "-workers", "nomad", "-role", "schedule", "-secrets", var.secrets], var.args)
        }
      }

      # The agent's API, as every task may reach it, and the task's own identity as the token. Its
      # rights are those of scheduler.policy.hcl, attached to this job.
      env {
        NOMAD_ADDR = "unix://${NOMAD_SECRETS_DIR}/api.sock"
      }

      identity {
        env = true
      }

      template {
        data        = <<-EOF
          REDIS_URL={{ with nomadVar "${var.secrets}" }}{{ .redis_url.Value | toJSON }}{{ end }}
        EOF
        destination = "secrets/redis.env"
        env         = true
      }

      resources {
        cpu    = 100
        memory = 128
      }

      kill_timeout = "30s" # it drains when it is told to stop
    }
  }
}
