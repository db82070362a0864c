ARG PYTHON=3.11
FROM python:${PYTHON}-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    APP_HOME=/app

WORKDIR $APP_HOME

RUN groupadd --system app && useradd --system --gid app app

COPY requirements.txt ./
RUN pip install -r requirements.txt

COPY --chown=app:app . .

USER app
EXPOSE 8000/tcp
ENTRYPOINT ["python", "-m"]
CMD ["app.server", "--port", "8000"]
