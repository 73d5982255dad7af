"""Counts words: each line is split at single blanks, and all parts are counted.

With an account in the file that MUSTER_DATABASE names, the count is inserted into the table
`data(value, created)`. The password is read from the file and stands in no command line.
"""

import argparse
import json
import os
import sys
import time

from pyspark.sql import SparkSession


def insert(account, count):
    """Inserts the count, making the table if there is none; how many rows were inserted."""
    import pymysql

    connection = pymysql.connect(
        host=account["host"],
        port=account["port"],
        user=account["user"],
        password=account["password"],
        database=account["database"],
        connect_timeout=30,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "create table if not exists data"
                " (value bigint not null, created timestamp not null default current_timestamp)"
            )
            rows = cursor.execute("insert into data (value, created) values (%s, now())", (count,))
        connection.commit()
        return rows
    finally:
        connection.close()


def main():
    """Counts, inserts, writes; tells the result to whoever asked for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("word-count").getOrCreate()
    context = spark.sparkContext
    begun = time.monotonic()
    lines = context.textFile(arguments.input)
    count = lines.flatMap(lambda line: line.split(" ")).count()
    seconds = time.monotonic() - begun
    result = {"count": count, "seconds": f"{seconds:.1f}", "application-id": context.applicationId, "rows": 0}
    print(f"counted {count} words in {seconds:.1f} s")
    if arguments.output:
        context.parallelize([str(count)], 1).saveAsTextFile(arguments.output)
        print(f"wrote {arguments.output}")
    spark.stop()

    account = os.environ.get("MUSTER_DATABASE", "")
    if os.path.exists(account):
        with open(account, encoding="utf-8") as file:
            account = json.load(file)
        result["rows"] = insert(account, count)
        result["database"] = account["database"]
        print(f"inserted {result['rows']} row into {account['database']}.data")
    else:
        print("no database is related: the count is only told", file=sys.stderr)
    if os.environ.get("MUSTER_RESULT"):
        with open(os.environ["MUSTER_RESULT"], "w", encoding="utf-8") as file:
            json.dump(result, file)


if __name__ == "__main__":
    main()
