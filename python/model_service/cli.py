# SPDX-License-Identifier: Apache-2.0
"""``serve run IMPORT_PATH`` and ``serve build``: what the C command line execs, because user code is imported here."""

from __future__ import annotations

import argparse
import glob
import json
import os
import signal
import sys
import time
from typing import Any

from . import RAY_VERSION, attach, build, client
from .deployment import Application
from .imports import import_attr, split_import_path


def _arguments(words: list[str]) -> dict[str, str]:
    """``key=value`` words as a dictionary. SystemExit for another word."""
    arguments = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            sys.exit(
                f"Invalid key-value pair '{word}' provided. "
                "Application arguments must be of the form '<key>=<val>'."
            )
        arguments[key] = value
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serve")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run an application and watch it")
    run.add_argument("import_path")
    run.add_argument("arguments", nargs="*")
    run.add_argument("--runtime-env")
    run.add_argument("--runtime-env-json")
    run.add_argument("--working-dir")
    run.add_argument("-d", "--app-dir", default=".")
    run.add_argument("-a", "--address", default=os.environ.get("RAY_ADDRESS"))
    run.add_argument("--blocking", dest="blocking", action="store_true", default=True)
    run.add_argument("--non-blocking", dest="blocking", action="store_false")
    run.add_argument("-r", "--reload", action="store_true")
    run.add_argument("--route-prefix", default="/")
    run.add_argument("--name", default="default")
    make = commands.add_parser("build", help="write a config for import paths")
    make.add_argument("import_paths", nargs="+")
    make.add_argument("-d", "--app-dir", default=".")
    make.add_argument("-o", "--output-path")
    make.add_argument("--grpc-servicer-functions", action="append", default=[])
    return parser


def _enter(directory: str) -> None:
    """Let the application's folder be found by imports."""
    path = os.path.abspath(directory)
    if path not in sys.path:
        sys.path.insert(0, path)


# --- run ----------------------------------------------------------------------------------------


def _runtime_env(options: argparse.Namespace) -> dict[str, Any]:
    env: dict[str, Any] = {}
    if options.runtime_env:
        import yaml

        with open(options.runtime_env, encoding="utf-8") as file:
            env = yaml.safe_load(file) or {}
    if options.runtime_env_json:
        env = json.loads(options.runtime_env_json)
    if options.working_dir:
        env["working_dir"] = options.working_dir
    return env


def _with_env_vars(app: Application, env_vars: dict[str, str]) -> Application:
    """The application whose ingress's replicas have these environment variables."""
    deployment = app._bound_deployment
    given = dict(deployment._options.get("ray_actor_options") or {})
    inner = dict(given.get("runtime_env") or {})
    inner["env_vars"] = {**env_vars, **(inner.get("env_vars") or {})}
    given["runtime_env"] = inner
    return Application(deployment.options(ray_actor_options=given))


def _import(path: str) -> Any:
    """What an import path names; ends with a sentence when the path itself is at fault, not the code behind it."""
    try:
        return import_attr(path)
    except ValueError as e:
        sys.exit(f"serve: {e}")
    except ModuleNotFoundError as e:
        if not path.startswith(str(e.name)):
            raise
        sys.exit(
            f"serve: there is no module '{e.name}' in {os.getcwd()} nor on Python's path (see --app-dir)."
        )
    except AttributeError as e:
        module = split_import_path(path)[0]
        if e.obj is not sys.modules.get(module):
            raise
        sys.exit(f"serve: the module '{module}' has nothing named '{e.name}'.")


def run(options: argparse.Namespace) -> int:
    """Deploy, say where it answers, and wait for Ctrl-C; 0 after a clean end."""
    if options.reload:
        sys.exit("--reload is not supported yet. Run the command again after a change.")
    env = _runtime_env(options)
    working_dir = env.get("working_dir")
    if working_dir and "://" not in working_dir:
        os.chdir(working_dir)
        _enter(working_dir)
    _enter(options.app_dir)
    env_vars = {str(k): str(v) for k, v in (env.get("env_vars") or {}).items()}
    os.environ.update(env_vars)
    app = build.call_builder(_import(options.import_path), _arguments(options.arguments))
    if env_vars:
        app = _with_env_vars(app, env_vars)
    # Two signals: the first ends the application gracefully, the second the process at once.
    signal.signal(signal.SIGTERM, _interrupt)
    connection = attach.connect(options.address)
    served = client.ServeControllerClient(connection)
    follow = None if connection.own is not None else _Follow(connection.session_dir)
    try:
        from . import api

        api._start()
        api.run(app, name=options.name, route_prefix=options.route_prefix or None)
        _announce(served, options, connection)
        if not options.blocking:
            if connection.own is not None:
                print("The instance ends with this command, for it was started by it.", flush=True)
            return 0
        _watch(served, options.name, follow)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print("\nStopping the application. Press Ctrl-C again to end at once.", flush=True)
        served.shutdown()
        if follow is not None:
            follow.show_new()
    finally:
        attach.disconnect()
    return 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _announce(
    served: client.ServeControllerClient,
    options: argparse.Namespace,
    connection: attach.Connection,
) -> None:
    logs = os.path.join(connection.session_dir, "logs", "serve")
    url = served.root_url
    where = f"{url}{options.route_prefix}" if url and options.route_prefix else "handles only"
    print(f"Deployed app '{options.name}' successfully.", flush=True)
    print(f"  URL   {where}\n  Page  {connection.record.dashboard_url}\n  Logs  {logs}", flush=True)


class _Follow:
    """What replicas print in an instance that was there before us: an own one's comes to our stdout by itself."""

    def __init__(self, session_dir: str):
        self._pattern = os.path.join(glob.escape(session_dir), "logs", "serve", "replica_*.log")
        self._offsets = {path: os.path.getsize(path) for path in glob.glob(self._pattern)}

    def show_new(self) -> None:
        """Print the whole lines that came since the last call."""
        for path in glob.glob(self._pattern):
            with open(path, "rb") as file:
                file.seek(self._offsets.get(path, 0))
                lines = file.read()
            lines = lines[: lines.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(lines)
            sys.stdout.write(lines.decode(errors="replace"))
        sys.stdout.flush()


def _watch(served: client.ServeControllerClient, name: str, follow: _Follow | None) -> None:
    """Say when the application's state changes; until Ctrl-C."""
    last = "RUNNING"
    while True:
        time.sleep(0.5)
        if follow is not None:
            follow.show_new()
        try:
            app = served.details()["applications"].get(name)
        except OSError:
            app = None
        status = app["status"] if app is not None else "GONE"
        if status != last:
            message = app.get("message", "") if app is not None else ""
            print(f"Application '{name}' is {status}. {message}".rstrip(), flush=True)
            last = status


# --- build --------------------------------------------------------------------------------------


def _config_of(import_path: str, name: str, route_prefix: str) -> dict[str, Any]:
    app = build.call_builder(_import(import_path), None)
    walk = build.Walk(name, prefer_reference=True)
    walk.visit(app)
    deployments = []
    for deployment_name, deployment, _, _ in reversed(walk.found):
        options = {k: v for k, v in deployment._options.items() if v is not None}
        options.pop("max_constructor_retry_count", None)
        deployments.append({"name": deployment_name, **options})
    return {
        "name": name,
        "route_prefix": route_prefix,
        "import_path": import_path,
        "runtime_env": {},
        "deployments": deployments,
    }


def make_config(options: argparse.Namespace) -> int:
    """Write a config of the applications that the import paths name."""
    import yaml

    _enter(options.app_dir)
    several = len(options.import_paths) > 1
    config = {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000},
        "grpc_options": {
            "port": 9000,
            "grpc_servicer_functions": options.grpc_servicer_functions,
        },
        "logging_config": {
            "encoding": "TEXT",
            "log_level": "INFO",
            "logs_dir": None,
            "enable_access_log": True,
            "additional_log_standard_attrs": [],
        },
        "applications": [
            _config_of(path, f"app{i}", f"/app{i}" if several else "/")
            for i, path in enumerate(options.import_paths, 1)
        ],
    }
    head = f"# This file was generated using the `serve build` command on Ray v{RAY_VERSION}.\n\n"
    text = head + "\n".join(
        yaml.safe_dump({key: value}, sort_keys=False) for key, value in config.items()
    )
    if options.output_path:
        with open(options.output_path, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")
    return 0


def main(argv: list[str]) -> int:
    """Run one command; its exit status."""
    options = _parser().parse_args(argv)
    return {"run": run, "build": make_config}[options.command](options)


if __name__ == "__main__":
    from model_service import cli as this

    sys.exit(this.main(sys.argv[1:]))
