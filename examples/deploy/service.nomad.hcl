# The HTTP service example as a Nomad service: it starts and watches jobs, and executes nothing. Its
# workers are launched by a scheduler of the same program, as scheduler.nomad.hcl is for chess.
#
#   nomad job run -var image=registry.example/service@sha256:… service.nomad.hcl
#   nomad job run -var command=/usr/local/bin/service service.nomad.hcl

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

variable "namespace" {
  type    = string
  default = "default"
}

job "word-count" {
  namespace = var.namespace
  type      = "service"

  group "service" {
    count          = 2
    shutdown_delay = "3s" # until nobody is sent here any more

    network {
      port "http" {}
    }

    service {
      name     = "word-count"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/jobs?limit=1"
        interval = "10s"
        timeout  = "2s"
      }
    }

    task "service" {
      driver = var.image == "" ? "raw_exec" : "docker"

      dynamic "config" {
        for_each = var.image == "" ? [] : [var.image]
        content {
          image = config.value
          args  = ["-redis", "env:REDIS_URL", "-workers", "none", "-addr", "0.0.0.0:${NOMAD_PORT_http}"]
          ports = ["http"]
        }
      }

      dynamic "config" {
        for_each = var.image == "" ? [var.command] : []
        content {
          command = config.value
          args    = ["-redis", "env:REDIS_URL", "-workers", "none", "-addr", "${NOMAD_ADDR_http}"]
        }
      }

      template {
        data        = <<-EOF
          REDIS_URL={{ with nomadVar "nomad/jobs" }}{{ .redis_url.Value | toJSON }}{{ end }}
        EOF
        destination = "secrets/redis.env"
        env         = true
      }

      resources {
        cpu    = 100
        memory = 128
      }

      kill_timeout = "30s"
    }
  }
}
