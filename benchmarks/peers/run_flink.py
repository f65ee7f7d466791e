"""Flink: a query from JSON files into a blackhole, or into files of changes that can be compared.

The settings are those of Nexmark's guide for Flink, with as many threads as there are cores, checkpoints
every 10 s, and state in memory. The cluster is the one inside of the JVM: no network between its parts.
"""

import os

import protocol

TYPES = {"integer": "BIGINT", "text": "STRING", "timestamp": "TIMESTAMP(3)"}


def settings(task):
    return {
        "execution.runtime-mode": "STREAMING",
        "parallelism.default": str(task["cores"]),
        "pipeline.object-reuse": "true",
        "execution.checkpointing.interval": "10 s",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.dir": f"file://{task['scratch']}/checkpoints",
        # As in the guide: a measured job does not wait for a checkpoint after its last row. A job
        # whose files are compared has to, because it is what completes them.
        "execution.checkpointing.checkpoints-after-tasks-finish": str(bool(task["output"])).lower(),
        "state.backend.type": "hashmap",
        "table.exec.mini-batch.enabled": "true",
        "table.exec.mini-batch.allow-latency": "2 s",
        "table.exec.mini-batch.size": "50000",
        "table.optimizer.distinct-agg.split.enabled": "true",
        "table.local-time-zone": "UTC",
    }


def main():
    task = protocol.task()
    # Read when the JVM is started, which the first use of the library does.
    os.environ["JVM_ARGS"] = f"-Xmx{task['heap_mib']}m -Djava.io.tmpdir={task['scratch']}"
    os.environ["FLINK_LOG_DIR"] = task["scratch"]
    from pyflink.common import Configuration
    from pyflink.table import EnvironmentSettings, TableDescriptor, TableEnvironment
    from pyflink.version import __version__ as version

    configuration = Configuration()
    for name, value in settings(task).items():
        configuration.set_string(name, value)
    environment = TableEnvironment.create(
        EnvironmentSettings.new_instance().with_configuration(configuration).build()
    )
    columns = ", ".join(
        f"{name} {TYPES[kind]}" for name, kind in protocol.schema(task["schema"])["bid"]
    )
    environment.execute_sql(
        f"CREATE TABLE bid ({columns}) WITH ('connector' = 'filesystem', "
        f"'path' = 'file://{task['data']}/bid', 'format' = 'json', "
        "'json.timestamp-format.standard' = 'ISO-8601')"
    )
    table = environment.sql_query(task["sql"])
    sink = TableDescriptor.for_connector("blackhole")
    if task["output"]:
        sink = (
            TableDescriptor.for_connector("filesystem")
            .option("path", f"file://{task['output']}")
            .option("format", "debezium-json")
            .option("debezium-json.encode.decimal-as-plain-number", "true")
        )
    with protocol.Measured(flink=version) as measured:
        job = table.execute_insert(sink.build()).get_job_client()
        result = job.get_job_execution_result().result()
        # Without the start of the cluster and the planning: a server that is up would not have them.
        measured.seconds = result.get_net_runtime() / 1000


if __name__ == "__main__":
    main()
