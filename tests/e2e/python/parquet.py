"""Writes a partitioned Parquet data set with pyarrow and queries it. Settings come from the environment."""

import os

import pyarrow
import pyarrow.compute
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

ROWS = 200_000
s3 = pyarrow.fs.S3FileSystem(
    endpoint_override=os.environ["AWS_ENDPOINT_URL"],
    region=os.environ["AWS_REGION"],
    allow_bucket_creation=True,
    allow_bucket_deletion=True,
)
table = pyarrow.table(
    {
        "number": list(range(ROWS)),
        "group": [number % 4 for number in range(ROWS)],
        "text": [f"row {number}" for number in range(ROWS)],
    }
)
s3.create_dir("parquet")
pyarrow.dataset.write_dataset(
    table, "parquet/set", filesystem=s3, format="parquet", partitioning=["group"], partitioning_flavor="hive"
)
dataset = pyarrow.dataset.dataset("parquet/set", filesystem=s3, format="parquet", partitioning="hive")
assert len(dataset.files) == 4, dataset.files
assert dataset.count_rows() == ROWS
field = pyarrow.dataset.field
found = dataset.to_table(filter=(field("group") == 2) & (field("number") < 1000), columns=["number"])
assert pyarrow.compute.sum(found["number"]).as_py() == sum(range(2, 1000, 4))

one = dataset.files[0]
s3.copy_file(one, "parquet/copy.parquet")
s3.move("parquet/copy.parquet", "parquet/moved.parquet")
copied = pyarrow.parquet.read_table("parquet/moved.parquet", filesystem=s3)
assert copied.num_rows == ROWS // 4
names = {info.path for info in s3.get_file_info(pyarrow.fs.FileSelector("parquet"))}
assert names == {"parquet/set", "parquet/moved.parquet"}, names
s3.delete_dir("parquet")
