# docker build . -t paddle_r50
# For a GPU or for SDAA name an image with the vendor's build of Paddle in it; that build is kept:
#   docker build . -t paddle_r50 --build-arg BASE=IMAGE
ARG BASE=python:3.11-slim
FROM ${BASE}

# What the wheel of opencv-python needs from the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /workspace/ppcls
COPY . .
RUN if python3 -c "import paddle"; then sed --in-place '/^paddlepaddle/d' requirements.txt; fi \
    && python3 -m pip install --no-cache-dir --requirement requirements.txt \
    && python3 -m pip install --no-cache-dir --no-deps .
CMD ["bash"]
