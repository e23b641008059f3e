"""The `/v1/videos` format: what its servers are told and what they answer, for the engine `videos-api`."""
