"""Kafka tools: messages to and from topics of the cluster that the operator named, by aiokafka (the extra `kafka`).

tools                        what is listed
publishing, reading, topics  the tools
clusters                     how the cluster is reached
"""
