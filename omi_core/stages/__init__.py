"""What a job executes: plan, generate, reduce, publish. Each stage opens with a gate and can be run again."""
