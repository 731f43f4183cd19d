"""deploy/cloudformation/dockbox.yml as its promises are read from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from .run import ROOT

FOLDER = ROOT / "deploy/cloudformation"


class _Loader(yaml.SafeLoader):
    """Reads ``!Sub x`` as ``{"Sub": x}``, and so each of CloudFormation's functions."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: node.value}


_Loader.add_multi_constructor("!", _function)
TEMPLATE: dict[str, Any] = yaml.load((FOLDER / "dockbox.yml").read_text(), _Loader)


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, such as ``EC2::Volume``, by their names."""
    return {
        name: resource["Properties"]
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == f"AWS::{kind}"
    }


def policy_of(name: str) -> str:
    """What becomes of a resource when its stack is deleted, or it is replaced."""
    resource = TEMPLATE["Resources"][name]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"]
    return str(resource["DeletionPolicy"])


def statements() -> Iterator[dict[str, Any]]:
    """Each thing that an instance may do in AWS; ``Resource`` is a list of texts."""
    for role in resources("IAM::Role").values():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                found = statement["Resource"]
                found = found if isinstance(found, list) else [found]
                yield {
                    **statement,
                    "Resource": [
                        next(iter(r.values())) if isinstance(r, dict) else r for r in found
                    ],
                }


def user_data(name: str) -> str:
    """The script of a launch template, with a word in place of each thing that is put in."""
    data = resources("EC2::LaunchTemplate")[name]["LaunchTemplateData"]
    text = data["UserData"]["Fn::Base64"]["Sub"][0]
    return re.sub(r"\$\{([\w.:]+)\}", lambda found: re.sub(r"\W+", "-", found[1]), text)
