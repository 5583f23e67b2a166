"""The command ``antialias`` as ``python -m antialias_plugins``, which torchrun can start too."""

from antialias_cli import main

if __name__ == '__main__':
    main()
