"""What clients call themselves in `userAgent`: console, command line, SDKs, and attackers' own."""

from __future__ import annotations

CONSOLE_AGENTS = (
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/133.0.0.0 Safari/537.36"
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/132.0.0.0 Safari/537.36 Edg/132.0.0.0"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.3 Safari/605.1.15"
    ),
)
CLI_AGENTS = (
    (
        "aws-cli/2.24.12 md/awscrt#0.23.8 ua/2.0 os/macos#24.3.0 md/arch#arm64 lang/python#3.12.9 "
        "md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off"
    ),
    (
        "aws-cli/2.22.35 md/awscrt#0.22.0 ua/2.0 os/linux#6.8.0-52-generic md/arch#x86_64 "
        "lang/python#3.12.6 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe"
    ),
    "aws-cli/2.17.44 ua/2.0 os/windows#11 md/arch#amd64 lang/python#3.11.9 md/pyimpl#CPython",
    (
        "Boto3/1.36.21 md/Botocore#1.36.21 ua/2.0 os/macos#24.3.0 md/arch#arm64 lang/python#3.12.8 "
        "md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.36.21"
    ),
    (
        "APN/1.0 HashiCorp/1.0 Terraform/1.10.5 (+https://www.terraform.io) "
        "terraform-provider-aws/5.86.1 (+https://registry.terraform.io/providers/hashicorp/aws) "
        "aws-sdk-go-v2/1.36.1 ua/2.1 os/macos lang/go#1.23.5 md/GOOS#darwin md/GOARCH#arm64"
    ),
)
WORKLOAD_AGENTS = (
    (
        "aws-sdk-java/2.30.16 Linux/5.10.233-224.894.amzn2.x86_64 OpenJDK_64-Bit_Server_VM/21 "
        "Java/21.0.6 kotlin/1.9.25 vendor/Amazon.com_Inc. exec-env/AWS_ECS_FARGATE io/sync "
        "http/Apache cfg/retry-mode/legacy"
    ),
    (
        "aws-sdk-go-v2/1.36.1 ua/2.1 os/linux lang/go#1.23.6 md/GOOS#linux md/GOARCH#arm64 "
        "api/s3#1.76.1 m/E,g"
    ),
    (
        "Boto3/1.36.18 md/Botocore#1.36.18 ua/2.0 os/linux#5.10.233-225.895.amzn2.x86_64 "
        "md/arch#x86_64 lang/python#3.12.8 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 "
        "cfg/retry-mode#legacy Botocore/1.36.18"
    ),
    (
        "aws-sdk-js/3.744.0 ua/2.1 os/linux#5.10.233-225.895.amzn2.x86_64 lang/js md/nodejs#20.18 "
        "api/s3#3.744.0 exec-env/AWS_Lambda_nodejs20.x m/E,e"
    ),
    "aws-sdk-dotnet-coreclr/3.7.414.5 ua/2.0 os/linux#5.10 md/ARCH#X64 lang/.NET_Core#8.0.12",
)
SSM_AGENT = "amazon-ssm-agent/3.3.1611.0 aws-sdk-go/1.55.5 (go1.22.11; linux; amd64)"
PIPELINE_AGENTS = (
    (
        "APN/1.0 HashiCorp/1.0 Terraform/1.10.5 (+https://www.terraform.io) "
        "terraform-provider-aws/5.87.0 (+https://registry.terraform.io/providers/hashicorp/aws) "
        "aws-sdk-go-v2/1.36.1 ua/2.1 os/linux lang/go#1.23.6 md/GOOS#linux md/GOARCH#amd64"
    ),
    (
        "aws-cli/2.24.9 md/awscrt#0.23.8 ua/2.0 os/linux#6.8.0-1021-azure md/arch#x86_64 "
        "lang/python#3.12.9 md/pyimpl#CPython exec-env/GitHubActions cfg/retry-mode#standard"
    ),
    "aws-sdk-nodejs/2.1692.0 linux/v20.18.2 configure-aws-credentials-for-github-actions promise",
)
ROBOT_AGENTS = (
    "aws-sdk-java/1.12.780 Linux/4.18.0-553.el8.x86_64 OpenJDK_64-Bit_Server_VM/11.0.26+4",
    "Boto3/1.26.165 Python/3.9.21 Linux/4.18.0-553.el8.x86_64 Botocore/1.29.165",
    "rclone/v1.69.0",
)

# Signs of an attacker's tools: nobody in the organisation uses these.
ATTACK_DISTRIBUTION = (
    "aws-cli/2.15.30 Python/3.11.8 Linux/6.6.9-amd64 exe/x86_64.kali.2024 prompt/off"
)
ATTACK_FRAMEWORK = "Boto3/1.34.49 Python/3.11.8 Linux/6.6.9-amd64 Botocore/1.34.49 Pacu/1.6.0"
ATTACK_SCANNER = "Boto3/1.34.51 md/Botocore#1.34.51 ua/2.0 os/linux lang/python#3.11.8 ScoutSuite"
ATTACK_SDK = "aws-sdk-go-v2/1.24.1 os/linux lang/go#1.21.6 md/GOOS#linux md/GOARCH#amd64"
ATTACK_BROWSER = "Mozilla/5.0 (Windows NT 10.0; rv:115.0) Gecko/20100101 Firefox/115.0"
