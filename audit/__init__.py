"""What the project stands on: known vulnerabilities and licences of the packages that constraints.txt pins."""
