"""The options that RocksDB is opened with, to read a store and to write it."""

from __future__ import annotations

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Options

_CACHE_BYTES = 32 << 20
_OPEN_FILES = 512
_MEMTABLE_BYTES = 32 << 20  # below this, switching memtables stalls writers after a slow fsync
_LOG_BYTES = 128 << 20  # bounds the bytes that a start must read again, at about 400 MB/s
_MANIFEST_BYTES = 1 << 40  # never reached: then a change of CURRENT does not come from RocksDB
MEMTABLES = 4


def reading_options() -> Options:
    """Return the options that open a store read-only and report all damage in it."""
    options = Options(raw_mode=True)
    options.create_if_missing(False)
    # The default mode drops everything after a flipped bit in a log; this one drops only a torn end.
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_open_files(_OPEN_FILES)
    options.set_keep_log_file_num(5)
    options.set_max_log_file_size(4 << 20)
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(_CACHE_BYTES))
    blocks.set_bloom_filter(10, False)
    options.set_block_based_table_factory(blocks)
    return options


def writing_options() -> Options:
    """Return the options that open a store to write to it."""
    options = reading_options()
    options.set_paranoid_checks(False)
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(MEMTABLES)
    options.set_max_total_wal_size(_LOG_BYTES)
    options.set_level_zero_slowdown_writes_trigger(40)
    options.set_level_zero_stop_writes_trigger(60)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_manifest_file_size(_MANIFEST_BYTES)
    return options
