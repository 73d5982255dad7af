"""What the gateway's charm is made of: an S3 client, certificates, and the gateway's users."""
