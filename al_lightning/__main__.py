from al_lightning.cli.main import program

if __name__ == "__main__":
    raise SystemExit(program())
