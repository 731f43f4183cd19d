"""deploy/cloudformation: who reaches what, what is kept, and that it fits dockbox."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import Any

import pytest

from dockbox.blueprints import ops
from dockbox.config import Config

from ..support.run import ROOT
from ..support.template import FOLDER, TEMPLATE, policy_of, resources, statements, user_data
from .test_architecture import routes

MACHINES = {"EngineTemplate": "engine", "ServerTemplate": "server"}


def rules(direction: str) -> set[tuple[str, str, int, int]]:
    """From or to whom, at which ports, each security group is open, by its name."""
    found = [
        (name, rule)
        for name, group in resources("EC2::SecurityGroup").items()
        for rule in group.get(f"SecurityGroup{direction}", [])
    ]
    found += [
        (rule["GroupId"]["GetAtt"].removesuffix(".GroupId"), rule)
        for rule in resources(f"EC2::SecurityGroup{direction}").values()
    ]
    return {
        (name, peer(rule), rule.get("FromPort", 0), rule.get("ToPort", 65535))
        for name, rule in found
    }


def peer(rule: dict[str, Any]) -> str:
    for key in ("CidrIp", "SourceSecurityGroupId", "DestinationSecurityGroupId"):
        if key in rule:
            value = rule[key]
            return str(next(iter(value.values())) if isinstance(value, dict) else value)
    raise AssertionError(f"open for whom? {rule}")


def test_nobody_from_outside_reaches_anything_but_the_load_balancer() -> None:
    assert rules("Ingress") == {
        ("BalancerGroup", "AllowedCidr", 443, 443),
        ("BalancerGroup", "AllowedCidr", 80, 80),
        ("ServerGroup", "BalancerGroup.GroupId", 8000, 8000),
        ("EngineGroup", "ServerGroup.GroupId", 2376, 2376),
        ("FilesGroup", "ServerGroup.GroupId", 2049, 2049),
        ("FilesGroup", "EngineGroup.GroupId", 2049, 2049),
        ("DatabaseGroup", "ServerGroup.GroupId", 5432, 5432),
    }
    assert "Default" not in TEMPLATE["Parameters"]["AllowedCidr"], "who may come is to be said"
    public = {subnet["Ref"] for one in resources("ElasticLoadBalancingV2::LoadBalancer").values()
              for subnet in one["Subnets"]}  # fmt: skip
    for group in resources("AutoScaling::AutoScalingGroup").values():
        assert not [name for name in public if f"'{name}'" in str(group["VPCZoneIdentifier"])]


def test_only_the_engine_sends_to_the_internet_what_it_likes() -> None:
    nowhere = "127.0.0.1/32"
    assert {rule for rule in rules("Egress") if rule[1] != nowhere} == {
        ("BalancerGroup", "ServerGroup.GroupId", 8000, 8000),
        ("ServerGroup", "0.0.0.0/0", 443, 443),
        ("ServerGroup", "0.0.0.0/0", 80, 80),
        ("ServerGroup", "EngineGroup.GroupId", 2376, 2376),
        ("ServerGroup", "FilesGroup.GroupId", 2049, 2049),
        ("ServerGroup", "DatabaseGroup.GroupId", 5432, 5432),
        ("EngineGroup", "0.0.0.0/0", 0, 65535),
    }
    said = {name for name, *_ in rules("Egress")}  # without a rule AWS opens a group to all
    assert said == set(resources("EC2::SecurityGroup"))


def test_no_container_gets_the_credentials_of_its_machine() -> None:
    templates = resources("EC2::LaunchTemplate")
    assert set(templates) == set(MACHINES)
    assert not resources("EC2::Instance")
    for template in templates.values():
        options = template["LaunchTemplateData"]["MetadataOptions"]
        assert options == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
        assert "KeyName" not in template["LaunchTemplateData"], "no ssh"


def test_all_that_is_stored_is_encrypted_and_so_is_the_way_to_it() -> None:
    assert resources("RDS::DBInstance")["Database"]["StorageEncrypted"] is True
    assert resources("EC2::Volume")["EngineVolume"]["Encrypted"] is True
    files = resources("EFS::FileSystem")["Files"]
    assert files["Encrypted"] is True
    for template in resources("EC2::LaunchTemplate").values():
        for device in template["LaunchTemplateData"]["BlockDeviceMappings"]:
            assert device["Ebs"]["Encrypted"] is True
    deny = [one for one in files["FileSystemPolicy"]["Statement"] if one["Effect"] == "Deny"]
    assert [one["Condition"] for one in deny] == [{"Bool": {"aws:SecureTransport": "false"}}]
    parameters = resources("RDS::DBParameterGroup")["DatabaseParameters"]["Parameters"]
    assert parameters == {"rds.force_ssl": "1"}
    listeners = resources("ElasticLoadBalancingV2::Listener").values()
    plain = [one for one in listeners if one["Protocol"] != "HTTPS"]
    assert [action["Type"] for one in plain for action in one["DefaultActions"]] == ["redirect"]


def test_what_a_deleted_stack_would_lose_is_kept() -> None:
    kept = {name: policy_of(name) for name in ("Database", "Files", "EngineVolume")}
    assert kept == {"Database": "Snapshot", "Files": "Retain", "EngineVolume": "Snapshot"}
    assert resources("RDS::DBInstance")["Database"]["DeletionProtection"] is True


def test_no_secret_is_in_the_template_or_in_what_a_machine_starts_with() -> None:
    database = resources("RDS::DBInstance")["Database"]
    resolved = {"Sub": "{{resolve:secretsmanager:${DatabasePassword}:SecretString}}"}
    assert database["MasterUserPassword"] == resolved
    assert "GenerateSecretString" in resources("SecretsManager::Secret")["DatabasePassword"]
    assert not [
        name for name in TEMPLATE["Parameters"] if re.search("(?i)password|key|token", name)
    ]
    for name in MACHINES:
        assert "resolve:" not in user_data(name)
        assert not re.search("(?i)password=|BEGIN ", user_data(name))


def test_a_machine_may_do_in_aws_what_its_script_does_and_no_more() -> None:
    found = {(one["Action"], resource) for one in statements() for resource in one["Resource"]}
    arn = "arn:${AWS::Partition}:"
    here = arn + "ec2:${AWS::Region}:${AWS::AccountId}:"
    assert found == {
        ("secretsmanager:GetSecretValue", "EngineCertificates"),
        ("secretsmanager:GetSecretValue", "ServerCertificates"),
        ("secretsmanager:GetSecretValue", "DatabasePassword"),
        ("ec2:AttachVolume", here + "volume/${EngineVolume}"),
        ("ec2:AttachVolume", here + "instance/*"),
        ("ec2:DescribeVolumes", "*"),
        ("route53:ChangeResourceRecordSets", arn + "route53:::hostedzone/${Zone}"),
    }
    [attach] = [one for one in statements() if one["Action"] == "ec2:AttachVolume"]
    tag = {"aws:ResourceTag/dockbox-engine": {"Ref": "AWS::StackName"}}
    assert attach["Condition"] == {"StringEquals": tag}


def test_the_load_balancer_fits_the_server() -> None:
    [balancer] = resources("ElasticLoadBalancingV2::LoadBalancer").values()
    [targets] = resources("ElasticLoadBalancingV2::TargetGroup").values()
    told = {
        one["Key"]: one["Value"]
        for one in balancer["LoadBalancerAttributes"] + targets["TargetGroupAttributes"]
    }
    gunicorn = (ROOT / "deploy/gunicorn.conf.py").read_text()
    kept = re.search(r"^keepalive = (\d+)", gunicorn, re.M)
    assert kept
    idle = int(told["idle_timeout.timeout_seconds"])
    assert max(Config.create_wait, 2 * Config.ping_interval) < idle < int(kept[1])
    assert f"GET {targets['HealthCheckPath']}" in routes()
    assert targets["HealthCheckPath"] != f"/{ops.ready.__name__}"
    assert (targets["Protocol"], targets["ProtocolVersion"]) == ("HTTP", "HTTP1")
    assert told["stickiness.enabled"] == "false"


@pytest.mark.parametrize(("template", "script"), MACHINES.items())
def test_a_machine_starts_its_script_with_what_that_needs(template: str, script: str) -> None:
    text = user_data(template)
    joined = text.replace("\\\n", "")
    command = shlex.split(joined[joined.index("deploy/cloudformation/") :])
    assert command[0] == f"deploy/cloudformation/{script}"
    usage = re.search(rf"^#   {script} (.+)$", (FOLDER / script).read_text(), re.M)
    assert usage
    assert len(command[1:]) == len(usage[1].split())
    shellcheck = shutil.which("shellcheck")
    if shellcheck:  # which `make check` has for the scripts themselves
        done = subprocess.run([shellcheck, "-"], input=text, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    assert len(text) < 16 * 1024, "EC2 takes no more"


def test_the_scripts_give_setup_ec2_only_options_that_it_has() -> None:
    setup = (ROOT / "setup_ec2.sh").read_text()
    [line] = re.findall(r"^.*setup_ec2\.sh\" .*$", (FOLDER / "server").read_text(), re.M)
    given = re.findall(r" (--[a-z-]+)", line)
    assert len(given) == 3
    for option in given:
        assert re.search(rf"^  {option} [A-Z]+  ", setup, re.M), option
    [nfs] = re.findall(r"^NFS=(\S+)", setup, re.M)
    assert f"\nNFS={nfs} " in (FOLDER / "engine").read_text()


def test_the_name_of_the_engine_is_there_before_a_machine_asks_for_it() -> None:
    groups = [one for one in TEMPLATE["Resources"].values() if one["Type"].endswith("ScalingGroup")]
    assert len(groups) == 2
    assert all("EngineName" in group["DependsOn"] for group in groups)


def test_every_parameter_is_in_the_docs_and_no_other() -> None:
    text = (ROOT / "docs/aws.md").read_text()
    table = text[text.index("## Parameters") : text.index("## The first time")]
    told = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|([^|]+)\|", table, re.M)))
    assert sorted(told) == sorted(TEMPLATE["Parameters"])
