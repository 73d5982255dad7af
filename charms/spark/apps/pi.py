"""Computes pi by throwing darts: the share that falls into the circle, times four."""

import random
import sys

from pyspark.sql import SparkSession

DARTS = 100_000


def hits(seed):
    """How many of the darts of one task fall into the circle."""
    dice = random.Random(seed)
    return sum(dice.random() ** 2 + dice.random() ** 2 <= 1 for _ in range(DARTS))


def main():
    """Prints pi roughly."""
    partitions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    spark = SparkSession.builder.appName("spark-pi").getOrCreate()
    inside = spark.sparkContext.parallelize(range(partitions), partitions).map(hits).sum()
    print(f"Pi is roughly {4 * inside / (partitions * DARTS)}")
    spark.stop()


if __name__ == "__main__":
    main()
