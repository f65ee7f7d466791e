"""Spark Structured Streaming: a query from JSON files into a sink that drops rows, or into files."""

import protocol

TYPES = {"integer": "BIGINT", "text": "STRING", "timestamp": "TIMESTAMP"}


def session(task):
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master(f"local[{task['cores']}]")
        .config("spark.driver.memory", f"{task['heap_mib']}m")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.extraJavaOptions", f"-Djava.io.tmpdir={task['scratch']}")
        .config("spark.local.dir", task["scratch"])
        .config("spark.sql.warehouse.dir", f"{task['scratch']}/warehouse")
        .config("spark.sql.session.timeZone", "UTC")
        # The usual 200 are for clusters: here they would be 100 tasks for each core.
        .config("spark.sql.shuffle.partitions", str(task["cores"]))
        .getOrCreate()
    )


def main():
    task = protocol.task()
    spark = session(task)
    from pyspark.errors import AnalysisException

    columns = ", ".join(
        f"{name} {TYPES[kind]}" for name, kind in protocol.schema(task["schema"])["bid"]
    )
    bids = spark.readStream.schema(columns).json(f"file://{task['data']}/bid")
    bids.createOrReplaceTempView("bid")
    try:
        rows = spark.sql(task["sql"])
        writer = rows.writeStream.trigger(availableNow=True)
        writer = writer.option("checkpointLocation", f"file://{task['scratch']}/checkpoints")
        if task["output"]:
            # All rows of an aggregate are written, each batch in place of the one before.
            mode = ("complete", "overwrite") if "GROUP BY" in task["sql"] else ("append", "append")

            def write(batch, _):
                into = batch.write.mode(mode[1]).option("ignoreNullFields", "false")
                into.json(f"file://{task['output']}")

            writer = writer.outputMode(mode[0]).foreachBatch(write)
        else:
            writer = writer.outputMode("update").format("noop")
        with protocol.Measured(spark=spark.version):
            writer.start().awaitTermination()
    except AnalysisException as error:
        protocol.tell("refused", message=str(error).strip().splitlines()[0])
    spark.stop()


if __name__ == "__main__":
    main()
