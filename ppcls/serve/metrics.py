"""What Prometheus reads at /metrics."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The numbers of one server."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("ppcls_requests", "answers about images by status", ["status"], registry=registry)
        self.seconds = Histogram(
            "ppcls_request_seconds", "time to answer about images", buckets=SECONDS, registry=registry
        )
        self.images = Counter("ppcls_images", "images by outcome", ["outcome"], registry=registry)
        self.queue = Gauge("ppcls_queue_images", "images that are decoded or wait for the model", registry=registry)
        self.batch_size = Histogram(
            "ppcls_batch_size", "images in one run of the model", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self.model_seconds = Histogram(
            "ppcls_model_seconds", "time of one run of the model", buckets=SECONDS, registry=registry
        )

    def text(self) -> bytes:
        """Return all numbers in the text format of Prometheus."""
        return generate_latest(self.registry)
