# docker build . -t paddle_r50
# For a GPU or for SDAA, name the vendor's image with Paddle in it and keep its build of Paddle:
#   docker build . -t paddle_r50 --build-arg BASE=IMAGE --build-arg INSTALL="--no-deps ."
ARG BASE=python:3.11-slim
FROM ${BASE}
ARG INSTALL="."

# What the wheel of opencv-python needs from the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /workspace/ppcls
COPY . .
RUN python3 -m pip install --no-cache-dir ${INSTALL}
CMD ["bash"]
