"""Writes rows into a database, or counts them: database.py write FILE ROWS | database.py count FILE"""

import sqlite3
import sys

action, file = sys.argv[1:3]
database = sqlite3.connect(file)
if action == "write":
    database.execute("PRAGMA journal_mode = wal")
    database.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER, text TEXT)")
    for number in range(int(sys.argv[3])):
        with database:
            database.execute("INSERT INTO rows VALUES (?, ?)", (number, f"row {number}"))
    database.close()
else:
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    print(database.execute("SELECT count(*) FROM rows").fetchone()[0])
