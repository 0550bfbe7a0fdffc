"""Where keys come from: a fixed `KeySet`, or a `RemoteKeySet` that fetches, keeps and refreshes one."""
